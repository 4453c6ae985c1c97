"""The public API, a module for each install target; every function of it is ``rgbx.NAME``.

- :mod:`rgbx.api.line`: the base install. Predict, read sets.
- :mod:`rgbx.api.train`: ``rgbx[train]``. Networks, training, calibrating, testing.
- :mod:`rgbx_render.api`: ``rgbx[render]``. Radiographs of a volume; sets of images from a library.

The functions only arrange the objects that the command line uses. They keep their names and arguments from version to
version; all else in rgbx is semi-private and may change.

Settings are given in one way everywhere: as ``settings`` a YAML file, a mapping whose keys may be dotted
(``{"stream.icam.iterations": 2}``) or a whole configuration; and by keyword, which wins, what has a name of its own
(``epochs=3``).
"""
