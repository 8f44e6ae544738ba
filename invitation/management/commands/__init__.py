"""Commands that run flows from a command line or from cron."""
