// Before anything is painted: the theme that was chosen last.
try {
  const kept = localStorage.getItem('theme');
  if (kept) document.documentElement.dataset.theme = kept;
} catch { /* a browser that keeps nothing follows the system */ }
