@echo off
rem Set up what the tests need, then run them; arguments go to pytest.
set SOLO_PYTHON=python
where py >nul 2>nul && set SOLO_PYTHON=py -3
%SOLO_PYTHON% "%~dp0bootstrap" prepare dev || exit /b 1
cd /d "%~dp0.."
.venv\Scripts\python -m pytest %*
