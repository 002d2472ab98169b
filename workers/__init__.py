"""The brain: Celery workers that turn a Question into a Prediction."""
