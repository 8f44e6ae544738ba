"""Run the verbs from a command line or from cron."""
