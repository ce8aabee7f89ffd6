pid_file = "/x";
