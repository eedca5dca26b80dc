"""What an application gives to a replica, and what it gets from one."""
