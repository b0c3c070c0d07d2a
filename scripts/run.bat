@echo off
rem Set Solo up if that has not been done yet, then start it with the given arguments.
set SOLO_PYTHON=python
where py >nul 2>nul && set SOLO_PYTHON=py -3
%SOLO_PYTHON% "%~dp0bootstrap" run %*
