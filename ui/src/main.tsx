import { createRoot } from 'react-dom/client';
import { App } from './App';
import { applyTheme } from './theme';
import './style/base.css';
import './style/parts.css';
import './style/views.css';

applyTheme();
createRoot(document.getElementById('root')!).render(<App />);
