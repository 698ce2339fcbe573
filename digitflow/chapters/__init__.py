"""The chapters of the studies' report: one module a section, which says what was found."""
