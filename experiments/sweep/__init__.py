"""The sweep engine: the cells of a study on one machine or many; see README.md."""
