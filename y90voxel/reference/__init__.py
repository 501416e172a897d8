"""What is known before the patient arrives; every number cites its source."""
