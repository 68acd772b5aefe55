"""Campaigns that use kho_sim from outside: each is a package with one command."""
