-- Beside Prefect's, which the image of PostgreSQL makes: the history's and MLflow's.
CREATE DATABASE digitflow;
CREATE DATABASE mlflow;
