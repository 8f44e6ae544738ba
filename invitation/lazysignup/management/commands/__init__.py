"""Commands for cron."""
