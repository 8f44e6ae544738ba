"""Register with a proven address: the mailed invitation takes the place of the activation mail."""
