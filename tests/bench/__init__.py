"""What the work of this app costs, as ratios to the least that could do the job: ``make bench``.

How it is measured:

* Ratios count, not times. Ours and the floor (``floor``) take turns in one run, and the ratio is
  that of their medians. The spread is that of the quarters in the middle of the turns.
* Both go through ``django.test.Client``, the same middleware, and sessions in the database. Pages
  are rendered as in production: nothing records templates, and garbage is collected as usual.
* What the measuring process waits for a core is not counted, where Linux tells it: else the other
  programs on the machine would be measured, too. Waiting for the database and its locks counts.
* Both are called several times before the first turn, so templates, URLconfs, statements and
  connections are known to both. Keys and addresses are another row's each time, taken at random
  from all rows. Both tables have the same number of rows, and were written in the same way.
* Rows come by COPY on PostgreSQL, with all indexes in place, so indexes are as full as they are on
  a site. Then the statistics are made, which autovacuum does on a site.
* Statements are counted without BEGIN, COMMIT and savepoints.
* Memory is that of a process of its own: the highest during the work, less that before it.

The modules are named after the rooms; ``table`` has the bounds.
"""
