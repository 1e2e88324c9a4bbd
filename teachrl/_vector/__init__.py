"""The rooms behind `teachrl.vector`."""
