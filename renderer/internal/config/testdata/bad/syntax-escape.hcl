pid_file = "/a\."
