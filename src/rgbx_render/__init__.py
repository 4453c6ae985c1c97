"""Making training images: from scans and meshes of devices to labelled radiographs and photographs.

Needs ``rgbx[render]``. Its verbs come to the command line as those of any plug-in do, and its functions are public as
``rgbx.radiograph`` and so on (:mod:`rgbx_render.api`). What classifies needs none of it.

Each part imports only from those before it: ``devices → radiography | photography → joining → api → cli``.
"""
