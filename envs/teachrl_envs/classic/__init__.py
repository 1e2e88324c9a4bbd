"""Classic control, seen whole by the teacher and in part by the student."""
