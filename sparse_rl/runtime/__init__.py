"""What the machine lends: its devices, its signals, its cache of compiled programs."""
