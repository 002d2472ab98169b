"""Small models with random weights, in the folders their libraries expect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = "where is my order the mug came broken and shoes do not fit thanks refund please".split()  # noqa: SIM905


def seeded(seed: int = 0) -> None:
    import torch

    torch.manual_seed(seed)


def vocabulary(folder: Path) -> Any:
    """A fast tokenizer over WORDS, saved into the folder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokens = {token: i for i, token in enumerate([*special, *WORDS])}
    plain = Tokenizer(models.WordLevel(tokens, unk_token="[UNK]"))
    plain.normalizer = normalizers.Lowercase()
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", tokens["[CLS]"]), ("[SEP]", tokens["[SEP]"])]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
        bos_token="[CLS]",
        model_max_length=64,
    )
    fast.save_pretrained(folder)
    return fast


def bert(folder: Path, seed: int = 0) -> Any:
    from transformers import BertConfig, BertModel

    seeded(seed)
    fast = vocabulary(folder)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    model = BertModel(config).eval()
    model.save_pretrained(folder)
    return model


def clip(folder: Path) -> Any:
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    seeded()
    fast = vocabulary(folder)
    config = CLIPConfig(
        text_config={
            "vocab_size": len(fast),
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 16,
            "eos_token_id": fast.eos_token_id,
            "bos_token_id": fast.bos_token_id,
            "pad_token_id": fast.pad_token_id,
        },
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": 32,
            "patch_size": 16,
        },
        projection_dim=12,
    )
    model = CLIPModel(config).eval()
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


def vit(folder: Path) -> None:
    """A classifier's checkpoint: it holds no pooling layer."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    seeded()
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=16,
        num_labels=3,
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def resnet(folder: Path) -> None:
    """A convolutional network."""
    from transformers import ConvNextImageProcessorPil, ResNetConfig, ResNetModel

    seeded()
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(folder)


def whisper(folder: Path) -> None:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    seeded()
    fast = vocabulary(folder)
    config = WhisperConfig(
        vocab_size=len(fast),
        num_mel_bins=80,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=1500,
        max_target_positions=64,
        pad_token_id=fast.pad_token_id,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        decoder_start_token_id=fast.bos_token_id,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def moonshine(folder: Path) -> None:
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration

    seeded()
    fast = vocabulary(folder)
    config = MoonshineConfig(
        vocab_size=len(fast),
        hidden_size=16,
        intermediate_size=32,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        decoder_start_token_id=fast.bos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    MoonshineForConditionalGeneration(config).save_pretrained(folder)


def wav2vec2(folder: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    seeded()
    letters = sorted(set("".join(WORDS)))
    vocabulary_of_letters = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *letters])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary_of_letters))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    tokenizer.save_pretrained(folder)
    config = Wav2Vec2Config(
        vocab_size=len(vocabulary_of_letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_stride=(10, 8),
        conv_kernel=(10, 8),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


_PIECES = 25  # the letters in WORDS, the space, the three special ones

_FRONT = """
features: !new:speechbrain.lobes.features.Fbank
    sample_rate: 16000
    n_mels: 20
normalize: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
net: !new:speechbrain.nnet.linear.Linear
    input_size: 20
    n_neurons: 12
"""

_CTC = (
    """
pretrained_path: nobody/nowhere
"""
    + _FRONT
    + """
out: !new:speechbrain.nnet.linear.Linear
    input_size: 12
    n_neurons: 25
soft: !new:speechbrain.nnet.activations.Softmax
    apply_log: True
encoder: !new:speechbrain.nnet.containers.LengthsCapableSequential
    features: !ref <features>
    normalize: !ref <normalize>
    net: !ref <net>
    out: !ref <out>
    soft: !ref <soft>
decoding_function: !name:speechbrain.decoders.ctc_greedy_decode
    blank_id: 0
tokenizer: !new:sentencepiece.SentencePieceProcessor
modules:
    encoder: !ref <encoder>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        asr: !ref <encoder>
        tokenizer: !ref <tokenizer>
    paths:
        asr: !ref <pretrained_path>/asr.ckpt
        tokenizer: !ref <pretrained_path>/tokenizer.ckpt
"""
)

_SEARCH = (
    _FRONT
    + """
encoder: !new:speechbrain.nnet.containers.LengthsCapableSequential
    features: !ref <features>
    normalize: !ref <normalize>
    net: !ref <net>
embedding: !new:speechbrain.nnet.embedding.Embedding
    num_embeddings: 25
    embedding_dim: 8
attentive: !new:speechbrain.nnet.RNN.AttentionalRNNDecoder
    rnn_type: gru
    attn_type: content
    hidden_size: 12
    attn_dim: 8
    num_layers: 1
    enc_dim: 12
    input_size: 8
out: !new:speechbrain.nnet.linear.Linear
    input_size: 12
    n_neurons: 25
decoder: !new:speechbrain.decoders.{search}
    embedding: !ref <embedding>
    decoder: !ref <attentive>
    linear: !ref <out>
    bos_index: 1
    eos_index: 2
    min_decode_ratio: 0.0
    max_decode_ratio: 0.1
{more}
tokenizer: !new:sentencepiece.SentencePieceProcessor
modules:
    encoder: !ref <encoder>
    decoder: !ref <decoder>
learned: !new:torch.nn.ModuleList
    - [!ref <encoder>, !ref <embedding>, !ref <attentive>, !ref <out>]
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        asr: !ref <learned>
        tokenizer: !ref <tokenizer>
"""
)


def speechbrain(folder: Path, kind: str) -> None:
    """A recogniser with random weights: `ctc`, `greedy` or `beam`."""
    import sentencepiece
    import torch
    from hyperpyyaml import load_hyperpyyaml

    folder.mkdir(parents=True, exist_ok=True)
    sentences = folder / "sentences.txt"
    sentences.write_text("\n".join(" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))))
    sentencepiece.SentencePieceTrainer.train(
        input=str(sentences),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=_PIECES,
        model_type="char",
        character_coverage=1.0,
        minloglevel=2,
    )
    (folder / "tokenizer.model").rename(folder / "tokenizer.ckpt")
    search = "S2SRNNBeamSearcher" if kind == "beam" else "S2SRNNGreedySearcher"
    more = "    beam_size: 2" if kind == "beam" else ""
    text = (_CTC if kind == "ctc" else _SEARCH).format(search=search, more=more)
    (folder / "hyperparams.yaml").write_text(text)
    seeded()
    made = load_hyperpyyaml(text)
    torch.save((made["encoder"] if kind == "ctc" else made["learned"]).state_dict(), folder / "asr.ckpt")
    interface = "EncoderASR" if kind == "ctc" else "EncoderDecoderASR"
    (folder / "config.json").write_text(json.dumps({"speechbrain_interface": interface}))


def use(width: int = 8, seed: int = 0) -> dict[str, Any]:
    """Weights of a small Universal Sentence Encoder: 4 rows in each of 17 blocks, 6 dimensions."""
    rng = np.random.default_rng(seed)
    dim = 6

    def some(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32) * 0.5

    w: dict[str, Any] = {f"q{i + 1}": rng.integers(0, 64, (4, dim)).astype(np.uint8) for i in range(17)}
    w |= {"scale": abs(some(17)) / 32, "lo": some(17), "eps": np.float64(1e-12)}
    for n in (2, 3, 5):
        w |= {f"proj{n}": some(dim, width), f"proj_b{n}": some(width), f"ln_g{n}": some(width), f"ln_b{n}": some(width)}
        for layer in (1, 2):
            w |= {f"w{layer}_{n}": some(n * width, width), f"b{layer}_{n}": some(width)}
    whole = dim + 3 * width
    w |= {"ln_g": some(whole), "ln_b": some(whole), "cnn_W": some(whole, dim), "cnn_b": some(dim)}
    w |= {"d0": some(dim, 5), "d1": some(5, 5), "p1": some(dim, 5), "d2": some(5, dim)}
    return w | {"p3": some(5, dim), "d3": some(dim, dim)}
