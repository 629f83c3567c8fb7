"""What is kept of a call: its row in SQLite, its recording, its picture."""
