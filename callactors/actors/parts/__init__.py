"""What a SIP leg is made of: no actors, and nobody else's business."""
