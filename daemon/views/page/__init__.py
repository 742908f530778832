"""The page in the browser: doors · server · document, with history and scope as its moving parts.

What it looks like is in ``page.html``, ``page.css`` and ``page.js``; what it says is decided in
`daemon.views.standing`.
"""
