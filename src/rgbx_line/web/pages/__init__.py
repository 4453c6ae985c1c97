"""The pages of a line, for the people beside it: rendered here, without a build step and without any outside address.

``site.py`` is what all pages stand on: who is signed in, templates, what a refusal looks like. Each other module is a
section of the pages and adds its routes in one function. ``pages.py`` lists them.
"""
