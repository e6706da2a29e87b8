"""MMLU's 57 subjects in the 14 groups of MMLU-Pro.

Source: MMLU's own sub-categories (github.com/hendrycks/test, `categories.py`), of which MMLU-Pro
(arXiv:2406.01574) folds politics, culture and geography into `other`; the rows of MMLU-Pro name
both the subject (`src`) and the group (`category`).
"""

GROUPS: dict[str, tuple[str, ...]] = {
    "biology": ("college_biology", "high_school_biology"),
    "business": ("business_ethics", "management", "marketing"),
    "chemistry": ("college_chemistry", "high_school_chemistry"),
    "computer science": (
        "college_computer_science",
        "computer_security",
        "high_school_computer_science",
        "machine_learning",
    ),
    "economics": ("econometrics", "high_school_macroeconomics", "high_school_microeconomics"),
    "engineering": ("electrical_engineering",),
    "health": (
        "anatomy",
        "clinical_knowledge",
        "college_medicine",
        "human_aging",
        "medical_genetics",
        "nutrition",
        "professional_medicine",
        "virology",
    ),
    "history": (
        "high_school_european_history",
        "high_school_us_history",
        "high_school_world_history",
        "prehistory",
    ),
    "law": ("international_law", "jurisprudence", "professional_law"),
    "math": (
        "abstract_algebra",
        "college_mathematics",
        "elementary_mathematics",
        "high_school_mathematics",
        "high_school_statistics",
    ),
    "other": (
        "global_facts",
        "high_school_geography",
        "high_school_government_and_politics",
        "human_sexuality",
        "miscellaneous",
        "professional_accounting",
        "public_relations",
        "security_studies",
        "sociology",
        "us_foreign_policy",
    ),
    "philosophy": (
        "formal_logic",
        "logical_fallacies",
        "moral_disputes",
        "moral_scenarios",
        "philosophy",
        "world_religions",
    ),
    "physics": ("astronomy", "college_physics", "conceptual_physics", "high_school_physics"),
    "psychology": ("high_school_psychology", "professional_psychology"),
}
"""The subjects of each group."""

SUBJECTS: dict[str, str] = {
    subject: group for group, subjects in GROUPS.items() for subject in subjects
}
"""The group of each subject."""
