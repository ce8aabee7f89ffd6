pid_file = null
