pid_file = "/x"
