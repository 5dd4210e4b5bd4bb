"""Networks and a manifest of products that none of them saw → how well each finds a product again, beside each other.

    rows.toml ─ networks ─┐
    prepared manifest ────┴→ methods → tasks → judged → intervals → evaluation.json, evaluation.html

A *method* scores views against views, a *task* says which views ask and which may answer, *judging* finds where the
right answers stand, and the intervals are drawn over products. Every method is asked the same questions.
"""
