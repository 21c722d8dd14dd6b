"""Energy-management controller for sites that power large GPU clusters."""
