"""What the end-to-end tests stand on: the real daemon, a scripted provider, raw HTTP and polling with deadlines."""
