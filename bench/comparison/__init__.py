"""The parts of bench/compare. docs/performance.md says what is measured and how.

options   the command line, and the order of the whole
packages  what has to be installed or built
corpora, generations, databases   the data
tools     how each program is called
measuring what one command cost
rounds    who runs when, with warm caches and fresh repositories
summary, tables, pictures, documents   medians, and the forms in which people read them
"""
