"""How the work is done: devices, arithmetic, memory. No line here changes what is learnt."""
