"""Environments on Box2D; nothing is imported until one is made."""
