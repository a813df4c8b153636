"""Every figure: a small committed table, and ``make(table)`` that draws it."""
