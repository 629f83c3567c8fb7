"""From ``config.yaml``, the environment and secret files to frozen, validated settings.

``settings`` says what may be written, ``document`` reads it with line numbers, ``environment`` fills in
``${NAME}``, ``schema`` explains mistakes, ``legacy`` accepts what older configurations say, ``check``
and ``rules_*`` hold the rules that need more than one field, ``load`` runs all of it, and ``profile``
picks the agent of a call.
"""
