-- Runs once, when the data folder is made. Three roles: see docs/deployment.md.
\set ON_ERROR_STOP on
\getenv owner_password POSTGRES_OWNER_PASSWORD
\getenv app_password POSTGRES_APP_PASSWORD
\getenv recorder_password POSTGRES_RECORDER_PASSWORD

-- Owns the tables and sees all rows: migrations, partitions, maintenance.
CREATE ROLE pli_owner LOGIN CREATEDB BYPASSRLS PASSWORD :'owner_password';
-- Web and worker: row-level security applies.
CREATE ROLE pli_app LOGIN PASSWORD :'app_password';
-- Records hits and nothing else.
CREATE ROLE pli_recorder LOGIN PASSWORD :'recorder_password';

CREATE DATABASE pli OWNER pli_owner;
\connect pli
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
