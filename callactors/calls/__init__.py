"""Row 5: calls. The call is a nursery; the switchboard admits calls, contains them, and drains."""
