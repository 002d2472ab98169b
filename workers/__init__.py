"""The brain: Celery workers that turn a Question into a Prediction."""

from workers import torchaudio_hook

# The one allowed effect of an import: speechbrain, or any model class of transformers, cannot be imported without it
# on machines whose torchaudio was built for another torch.
torchaudio_hook.install()
