"""The papers' figures of results, drawn from trained models on one choice of photographs.

scene.py what all figures share: persons, models, their answers · book.py draws them all and says what is
seen · tiles.py, panels.py pictures and curves · stacks.py what was measured of stacks and scales · a file
a paper, each with its `FIGURES`
"""
