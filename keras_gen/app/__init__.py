"""The app: a page in the browser that uses models, and follows runs.

`source` puts models of this machine and of servers behind one interface. What the page
offers follows from their abilities and `Input`s: `calls` makes a call of the values of
a form, `extras` adds what takes several calls, `snippets` writes both as code. Only
`controls`, `views` and `follow` import Gradio. `keras-gen app` opens the page.
"""
