"""Markdown to pieces a window can show, without Qt: parsing, streaming, formulas, code colours."""
