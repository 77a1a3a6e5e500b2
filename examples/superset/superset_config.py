"""The settings of a Superset on this machine, for a trial. Set another key, and no such settings, on a real one."""

from pathlib import Path

SECRET_KEY = "only-for-a-trial-on-this-machine"
SQLALCHEMY_DATABASE_URI = f"sqlite:///{Path.cwd() / 'superset.db'}"
WTF_CSRF_ENABLED = False  # so that check.py can write
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
CACHE_CONFIG = DATA_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache"}
FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache"}
