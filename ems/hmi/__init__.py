"""What people look at: progress, the live terminal view of a demo; the operator's page follows here."""
