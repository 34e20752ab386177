"""What volunteers are asked."""
