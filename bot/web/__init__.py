"""What operators and their monitoring read over HTTP, on loopback unless configured otherwise."""
