"""Steering as data: interventions, the tokens they are for, their text form, what a pass makes of them."""
