"""Registration with a proven address: the emailed invitation replaces the activation email."""
