"""Row 4: the actors of a call. Each knows messages and the services it is given, never another actor's class."""
