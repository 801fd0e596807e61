"""Where (x, y) come from: input laws, teachers, samples, losses, and expectations over the inputs with their errors."""
