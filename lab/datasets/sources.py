"""The public data sets themselves: file, home, licence and checksum of each.

`lab.datasets.manifest` reads them; import from there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """One public data set.

    Attributes:
        path: where the file is expected, relative to the data directory.
        source: its public home.
        licence: SPDX name, or the licence's common name.
        sha256: checksum of the file's bytes.
        ship: whether weights trained on its rows may be distributed.
    """

    path: str
    source: str
    licence: str
    sha256: str
    ship: bool = True


DATASETS: dict[str, Dataset] = {
    "wikisql": Dataset(
        path="wikisql_umich/wikisql_recon.jsonl.gz",
        source="WikiSQL, as in github.com/jkkummerfeld/text2sql-data, columns rebuilt",
        licence="BSD-3-Clause",
        sha256="a7f1bc666a160a8a9a004db2ad326b80845ecb0562ddaf5205fd9b58beb5299f",
    ),
    "snips": Dataset(
        path="snips/snips.jsonl.gz",
        source="github.com/sonos/nlu-benchmark, 2017-06-custom-intent-engines",
        licence="CC0-1.0",
        sha256="0ef0abb0c4e735dd97ec0091d169ecf73643d514e8d5a1eda6a9158d7326a70d",
    ),
    "clinc150": Dataset(
        path="clinc150/clinc150.jsonl.gz",
        source="github.com/clinc/oos-eval",
        licence="CC-BY-3.0",
        sha256="95441a7c61798985a89887a7f39cde55b46816a9b80336af011c14e20e74f1b0",
    ),
    "self_instruct": Dataset(
        path="self_instruct/seed_tasks.jsonl",
        source="github.com/yizhongw/self-instruct, seed_tasks.jsonl",
        licence="Apache-2.0",
        sha256="7779004fa198fdf27cf70a159363879d8a26c53329e11b436af17b3941875f48",
    ),
    "mmlu": Dataset(
        path="mmlu/mmlu.jsonl.gz",
        source="github.com/hendrycks/test",
        licence="MIT",
        sha256="608061b5e1c733c220a61db64a4ac7a3d7a25e6354fd9d62f5516647ead80760",
    ),
    "medquad": Dataset(
        path="medquad/medquad_questions.jsonl.gz",
        source="github.com/abachaa/MedQuAD",
        licence="CC-BY-4.0",
        sha256="8145d7e691a51235af5052441f967ad1cfec08e319dd3cac38311023734ecd14",
    ),
    "gsm8k": Dataset(
        path="gsm8k/train.jsonl.gz",
        source="github.com/openai/grade-school-math",
        licence="MIT",
        sha256="a8df3fbbe2e2c003bce980d68e16fb03ff69fc92c306c4029d126b967c5ec53b",
    ),
    "mawps_train": Dataset(
        path="math_word_problems/svamp_repo__cv_mawps__fold0__train.csv.gz",
        source="MAWPS, as in github.com/arkilpatel/SVAMP, data/cv_mawps/fold0/train.csv",
        licence="MIT",
        sha256="802ae9934a444ac69ec6e7c6313cf35ccf4a7714cb055e9fa09b95a21cc89357",
    ),
    "mawps_dev": Dataset(
        path="math_word_problems/svamp_repo__cv_mawps__fold0__dev.csv.gz",
        source="MAWPS, as in github.com/arkilpatel/SVAMP, data/cv_mawps/fold0/dev.csv",
        licence="MIT",
        sha256="b641a0e4b9b758d5e5c90e8df5f8270be335399eb073945d055a25dd4af13b55",
    ),
    "svamp": Dataset(
        path="math_word_problems/SVAMP.json.gz",
        source="github.com/arkilpatel/SVAMP, SVAMP.json, half of it",
        licence="MIT",
        sha256="e6d849e53b007a2ae186cd5f3a965bf88743b038fbadab8f66a80735e6674450",
    ),
    "bc5cdr": Dataset(
        path="bio_ner/bc5cdr.jsonl.gz",
        source="BioCreative V CDR corpus (BC5CDR), split into sentences",
        licence="CC-BY-4.0",
        sha256="121fa889f56a9e49f8daeb921e94d726acbc7ffcacb5f11c07ed025aa1828426",
    ),
    "ncbi_disease": Dataset(
        path="bio_ner/ncbi_disease.jsonl.gz",
        source="NCBI disease corpus, split into sentences",
        licence="public domain",
        sha256="da7d12ff62be3c77990b8a5d6dec343c5cb9b32052bcc87c4aace033c7908552",
    ),
    "mt_bench": Dataset(
        path="mt_bench/mt_bench__question.jsonl",
        source="github.com/lm-sys/FastChat",
        licence="Apache-2.0",
        sha256="119565adbab82227089cefdb44c8d7e2cf04dc0a0ec233634c82e7d4e2a944f7",
    ),
    "self_instruct_user": Dataset(
        path="self_instruct/user_oriented_instructions.jsonl",
        source="github.com/yizhongw/self-instruct, human_eval/user_oriented_instructions.jsonl",
        licence="Apache-2.0",
        sha256="81d60a117db495cecedecd9193504fd07c5b5a42f6699ef6b0f9da10fc22f42e",
    ),
    "mbpp": Dataset(
        path="mbpp/mbpp.jsonl.gz",
        source="github.com/google-research/google-research, mbpp",
        licence="CC-BY-4.0",
        sha256="c65e689bb1125c9baf9b933d22b2aab46c7b5d9c075bc2be7d969cd3c2b282d9",
    ),
    "bitext": Dataset(
        path="bitext_customer_support/bitext.jsonl.gz",
        source="github.com/bitext/customer-support-intent-detection-evaluation-dataset",
        licence="CDLA-Sharing-1.0",
        sha256="70bdbe4bf27a578ea8759a7297e267eca87a4708aeeecfe16e5c88ddb1eb78bf",
    ),
    "slurp": Dataset(
        path="slurp/slurp_test.jsonl.gz",
        source="github.com/pswietojanski/slurp, dataset/slurp/test.jsonl",
        licence="CC-BY-4.0",
        sha256="b1c21bd8d27b847f4fdbdbd34e3fdd6adbf101e988017a29cf6b12e4dc0bac82",
    ),
    "spider": Dataset(
        path="spider_dev/spider_dev.jsonl.gz",
        source="github.com/taoyds/spider, dev set",
        licence="CC-BY-SA-4.0",
        sha256="94e04766d91a3e4023d69baa46dac8906f00b840a02f2ea526f619ca16d7c9c7",
        ship=False,
    ),
    "spider_tables": Dataset(
        path="spider_dev/tables.json.gz",
        source="github.com/taoyds/spider, tables.json",
        licence="CC-BY-SA-4.0",
        sha256="ebe942a7d0a93d38023878405d09adf6fe36af35eb0620693f0f36e4f9b890d8",
        ship=False,
    ),
    "alpaca_eval": Dataset(
        path="alpaca_eval/alpaca_eval_805.jsonl.gz",
        source="github.com/tatsu-lab/alpaca_eval",
        licence="CC-BY-NC-4.0",
        sha256="fae8a72709924cbf255e869444d23f4c09f13d9bd0753934417f4ee74a9da9bd",
        ship=False,
    ),
    "banking77_train": Dataset(
        path="banking77/train.csv",
        source="github.com/PolyAI-LDN/task-specific-datasets, banking_data/train.csv",
        licence="CC-BY-4.0",
        sha256="b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
    ),
    "banking77_test": Dataset(
        path="banking77/test.csv",
        source="github.com/PolyAI-LDN/task-specific-datasets, banking_data/test.csv, half of it",
        licence="CC-BY-4.0",
        sha256="07ec5b7714b31e734a3c8ad3f6c4da1a9d8a8c24d1a0aca3e354c2bc75f243c4",
    ),
    "qa_wikidata": Dataset(
        path="llm_foundry_eval/bigbench_qa_wikidata.jsonl.gz",
        source=(
            "github.com/mosaicml/llm-foundry, scripts/eval/local_data/world_knowledge/"
            "bigbench_qa_wikidata.jsonl (after BIG-bench)"
        ),
        licence="none stated",
        sha256="1c85f4ad6c2de72ea7e8a1465b4a57eecc80cf41909fdcc7f53b91598fc1819b",
        ship=False,
    ),
    "arc_easy": Dataset(
        path="llm_foundry_eval/arc_easy.jsonl.gz",
        source=(
            "github.com/mosaicml/llm-foundry, scripts/eval/local_data/world_knowledge/"
            "arc_easy.jsonl (after ARC of AI2)"
        ),
        licence="CC-BY-SA-4.0",
        sha256="5ee070d959cfb37fd15eee292f0f1916841915abee7f411ab62ba70e0313c5c3",
        ship=False,
    ),
    "routellm_mmlu": Dataset(
        path="routellm_outcomes/mmlu_outcomes.jsonl.gz",
        source="github.com/lm-sys/RouteLLM, routellm/evals/mmlu/responses",
        licence="Apache-2.0",
        sha256="8de313ab743f287442344fb0960edf14c7826a5be7efd1b1d4887d6cb98e3b6d",
    ),
    "routellm_gsm8k": Dataset(
        path="routellm_outcomes/gsm8k_outcomes.jsonl.gz",
        source="github.com/lm-sys/RouteLLM, routellm/evals/gsm8k",
        licence="Apache-2.0",
        sha256="2da29677b912c3b5601eaea1ce66089272936dabdca446731623b0d54f17dd3f",
    ),
    "fiqa_questions": Dataset(
        path="fiqa_questions/fiqa_questions.jsonl.gz",
        source="FiQA 2018, the questions of its second task",
        licence="none stated",
        sha256="abf8bcbd6d7e6d489ef46854c5ea20737a78a5dbbb3b8e44df156a5db4aa7a7c",
        ship=False,
    ),
    "stackoverflow_titles": Dataset(
        path="stackoverflow_titles/titles.jsonl.gz",
        source="github.com/jacoxu/StackOverflow",
        licence="none stated",
        sha256="c3eaeb181850dac1148fa097ab7eac47bbbe35e8d0bcad59e7bd774bcd60ffa1",
        ship=False,
    ),
    "autoj_train": Dataset(
        path="autoj_scenarios/train.jsonl.gz",
        source="github.com/GAIR-NLP/auto-j, scenario classification, train",
        licence="none stated",
        sha256="8e862e75b2ab7dedf8dd9fc54de8c102b54cf5a2936c0ffefbcc914d1a8a208a",
        ship=False,
    ),
    "autoj_test": Dataset(
        path="autoj_scenarios/test.jsonl.gz",
        source="github.com/GAIR-NLP/auto-j, scenario classification, test",
        licence="none stated",
        sha256="dfb418dec21cfb28304c94ca5120c41477bfe5d87c682486c2bc2f59f319fec3",
        ship=False,
    ),
    "indian_law_constitution": Dataset(
        path="indian_law_qa/constitution_qa.jsonl.gz",
        source="Kaggle, questions on the Indian constitution",
        licence="none stated",
        sha256="e7233f2e472dcb760f09d520a4706160ffb2623fff22a80553119f9223e54321",
        ship=False,
    ),
    "indian_law_crpc": Dataset(
        path="indian_law_qa/crpc_qa.jsonl.gz",
        source="Kaggle, questions on the Indian code of criminal procedure",
        licence="none stated",
        sha256="2681e4ce9f92df67c8b1bb1b1d33908d77143b09d49c243fcbe6f19fe486939b",
        ship=False,
    ),
    "indian_law_ipc": Dataset(
        path="indian_law_qa/ipc_qa.jsonl.gz",
        source="Kaggle, questions on the Indian penal code",
        licence="none stated",
        sha256="42c9a76b096f71de39552895dea171d9b6ae7a58daf0b9706e0c5ea91ff675d9",
        ship=False,
    ),
    "geography": Dataset(
        path="text2sql_classic/geography.jsonl.gz",
        source="GeoQuery, as in github.com/jkkummerfeld/text2sql-data",
        licence="none stated",
        sha256="51c5a3fca555b88a8af20aea6edce297d1f897383a3dea85eb29de79d66cd531",
        ship=False,
    ),
    "geography_schema": Dataset(
        path="text2sql_classic/geography-schema.csv",
        source="GeoQuery, as in github.com/jkkummerfeld/text2sql-data",
        licence="none stated",
        sha256="09c8fc40f163f5209341d68ae820a23a57bfb5f31ecd7e9a915730bc11b59515",
        ship=False,
    ),
    "nlu_evaluation": Dataset(
        path="nlu_evaluation/nlu_evaluation_kfold1.jsonl.gz",
        source="github.com/xliuhw/NLU-Evaluation-Data, CrossValidation, KFold_1",
        licence="CC-BY-4.0",
        sha256="5db28e0a4c8a3ca05366f2eba324fa7bc6f21f34478b0e81d74f4392194129a5",
    ),
    "slurp_devel": Dataset(
        path="slurp/slurp_devel.jsonl.gz",
        source="github.com/pswietojanski/slurp, dataset/slurp/devel.jsonl",
        licence="CC-BY-4.0",
        sha256="35b021177fc4f5192ca3f7a08adad86d6c9c3bd19314c6f9a4e1cb08c0fad7fc",
    ),
    "restaurant8k": Dataset(
        path="restaurant8k/restaurant8k.jsonl.gz",
        source="github.com/PolyAI-LDN/task-specific-datasets, span_extraction/restaurant8k",
        licence="CC-BY-4.0",
        sha256="6c5aa7cac1e8e26e06992a78aeddab9f1d31cc15f1bd8babac96126195d5eb15",
    ),
}
