log_level = "loud"
listeners {}
